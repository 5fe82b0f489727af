-- SPDX-License-Identifier: Apache-2.0
-- What wrk asks for: a mix of reads, writes, failures and redirects.
local threads = 0
local sent = 0
local headers = {
	["Host"] = "api.example.test",
	["User-Agent"] = "bench-client/1.4 (linux; x86_64)",
	["Accept"] = "application/json",
	["Authorization"] = "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkw"
		.. "In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
}

function setup(thread)
	thread:set("id", threads)
	threads = threads + 1
end

function init()
	math.randomseed(1234 + id)
end

function request()
	local dice = math.random(100)
	sent = sent + 1
	headers["X-Trace-Id"] = string.format("%02x%08x%08x", id, sent,
		math.random(0, 2147483647))
	headers["Accept-Encoding"] = nil
	headers["Content-Type"] = nil
	if dice <= 50 then
		return wrk.format("GET", "/api/v1/users/" .. math.random(0, 199)
			.. ".json?x=" .. sent, headers)
	elseif dice <= 70 then
		headers["Accept-Encoding"] = "gzip"
		return wrk.format("GET", "/api/v1/items/" .. math.random(0, 49)
			.. ".json", headers)
	elseif dice <= 85 then
		headers["Content-Type"] = "application/json"
		return wrk.format("POST", "/api/v1/orders", headers,
			'{"sku":"SKU-' .. math.random(1, 99999) .. '","qty":'
			.. math.random(1, 9) .. ',"note":"'
			.. string.rep("x", math.random(0, 600)) .. '"}')
	elseif dice <= 89 then
		return wrk.format("GET", "/api/v1/ping", headers)
	elseif dice <= 92 then
		return wrk.format("DELETE", "/api/v1/users/"
			.. math.random(0, 199) .. ".json", headers)
	elseif dice <= 96 then
		return wrk.format("GET", "/api/v1/users/nope-"
			.. math.random(0, 9999), headers)
	elseif dice <= 98 then
		return wrk.format("GET", "/old", headers)
	end
	return wrk.format("GET", "/boom", headers)
end
