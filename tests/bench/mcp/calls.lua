-- SPDX-License-Identifier: Apache-2.0
-- wrk script: tools/call, or initialize when the tool is "-".
-- wrk … URL -- SESSION TOKEN TOOL ARGUMENTS ("-": none)
local session, token, tool, arguments

function init(args)
	session, token, tool, arguments = args[1], args[2], args[3], args[4]
	wrk.method = "POST"
	wrk.headers["Content-Type"] = "application/json"
	wrk.headers["Accept"] = "application/json, text/event-stream"
	if token ~= "-" then
		wrk.headers["Authorization"] = "Bearer " .. token
	end
	if tool == "-" then
		wrk.body = '{"jsonrpc":"2.0","id":1,"method":"initialize",' ..
			'"params":{"protocolVersion":"2025-11-25",' ..
			'"capabilities":{},' ..
			'"clientInfo":{"name":"wrk","version":"1"}}}'
		return
	end
	if session ~= "-" then
		wrk.headers["Mcp-Session-Id"] = session
		wrk.headers["MCP-Protocol-Version"] = "2025-11-25"
	end
	wrk.body = '{"jsonrpc":"2.0","id":1,"method":"tools/call",' ..
		'"params":{"name":"' .. tool .. '","arguments":' ..
		arguments .. '}}'
end

function done(summary, latency)
	local wrong = summary.errors.connect + summary.errors.read +
		summary.errors.write + summary.errors.status +
		summary.errors.timeout
	io.write(string.format("result %d %d %d %d %d\n", summary.requests,
		summary.duration, latency:percentile(50),
		latency:percentile(99), wrong))
end
