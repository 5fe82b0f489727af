-- SPDX-License-Identifier: Apache-2.0
-- One call of the tool "echo", revision 2026-07-28.
wrk.method="POST"
wrk.body='{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hi"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}'
wrk.headers["Content-Type"]="application/json"
wrk.headers["Accept"]="application/json, text/event-stream"
wrk.headers["MCP-Protocol-Version"]="2026-07-28"
wrk.headers["Mcp-Method"]="tools/call"
wrk.headers["Mcp-Name"]="echo"
