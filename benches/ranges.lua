-- wrk script: ranges of one file, at random places. Arguments: PATH SIZE PIECE (bytes).
function init(args)
  path, size, piece = args[1], tonumber(args[2]), tonumber(args[3])
  math.randomseed(os.time())
end

function request()
  local from = math.random(0, size - piece)
  return wrk.format("GET", path, { ["Range"] = "bytes=" .. from .. "-" .. from + piece - 1 })
end

local all = {}
function setup(thread)
  all[#all + 1] = thread
end

function response(status)
  if status == 206 then good = (good or 0) + 1 else bad = (bad or 0) + 1 end
end

function done(summary, latency)
  local good, bad = 0, 0
  for _, thread in ipairs(all) do
    good = good + (thread:get("good") or 0)
    bad = bad + (thread:get("bad") or 0)
  end
  local seconds = summary.duration / 1e6
  print(string.format("RESULT per_s=%.0f MiB_per_s=%.0f bad=%d p50_ms=%.2f p99_ms=%.2f", good / seconds,
    summary.bytes / seconds / 1048576, bad, latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
