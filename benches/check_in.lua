-- wrk script: a distinct member and token for each request. Arguments: FOLDER KIND CODE, KIND one of health, verify,
-- check_in, progress, sign_up, my_place, search, board, my_rank, home; CODE is the event's, or the id of the lesson, of the theme day or of the organization; search takes its words from FOLDER/queries.txt.
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  folder, kind, code = args[1], args[2], args[3]
  tokens = {}
  local n = 0
  for line in io.lines(folder .. "/tokens.txt") do
    -- Two threads share the members between them.
    if n % 2 == number then tokens[#tokens + 1] = line end
    n = n + 1
  end
  next_token = 0
  queries, next_query = {}, number
  if kind == "search" then
    for line in io.lines(folder .. "/queries.txt") do
      queries[#queries + 1] = line:gsub("[^%w]", function(byte) return string.format("%%%02X", string.byte(byte)) end)
    end
  end
  math.randomseed(os.time() + number)
  when = os.date("!%Y-%m-%dT%H:%M:%SZ")
end

local function uuid()
  return string.format("%08x-%04x-4%03x-8%03x-%04x%08x", math.random(0, 0xffffffff), math.random(0, 0xffff),
    math.random(0, 0xfff), math.random(0, 0xfff), math.random(0, 0xffff), math.random(0, 0xffffffff))
end

function request()
  if kind == "health" then return wrk.format("GET", "/healthz") end
  next_token = next_token % #tokens + 1
  local headers = { ["Authorization"] = "Bearer " .. tokens[next_token], ["Content-Type"] = "application/json" }
  if kind == "search" then
    -- The threads take turns.
    next_query = (next_query + 2) % #queries
    return wrk.format("GET", "/api/v1/lessons/search?limit=20&q=" .. queries[next_query + 1], headers)
  end
  if kind == "verify" then
    return wrk.format("POST", "/api/v1/check-in-codes/verify", headers, '{"code":"' .. code .. '"}')
  end
  if kind == "progress" then
    local body = string.format('{"session_id":"%s","played":[[0,15.2],[30,61.5]],"position":61.5,"occurred_at":"%s"}', uuid(), when)
    return wrk.format("PUT", "/api/v1/lessons/" .. code .. "/progress", headers, body)
  end
  if kind == "sign_up" then
    return wrk.format("POST", "/api/v1/events/" .. code .. "/sign-ups", headers, string.format('{"client_event_id":"%s"}', uuid()))
  end
  if kind == "my_place" then
    return wrk.format("GET", "/api/v1/events/" .. code .. "/sign-ups/mine", headers)
  end
  if kind == "board" then return wrk.format("GET", "/api/v1/leaderboards/" .. code, headers) end
  if kind == "home" then return wrk.format("GET", "/api/v1/home", headers) end
  if kind == "my_rank" then return wrk.format("GET", "/api/v1/leaderboards/" .. code .. "/me", headers) end
  local body = string.format('{"code":"%s","client_event_id":"%s","occurred_at":"%s"}', code, uuid(), when)
  return wrk.format("POST", "/api/v1/check-ins", headers, body)
end

-- No `response`: with one, wrk would copy each body for it, and take more of the machine than the server does.
function done(summary, latency, requests)
  local errors = summary.errors
  local bad = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  local good = summary.requests - errors.status
  print(string.format("RESULT good_per_s=%.0f good=%d bad=%d p50_ms=%.2f p99_ms=%.2f max_ms=%.2f",
    good / (summary.duration / 1e6), good, bad, latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
