-- The load of both sides. Every line of BENCH_CALLERS is one caller: its headers as "Name: value",
-- separated by tabs. The requests are formatted once, so that wrk's own cost stays small and equal.
local requests = {}
local sent = 0

init = function()
  local body = os.getenv("BENCH_BODY")
  if body == "" then body = nil end
  for line in io.lines(os.getenv("BENCH_CALLERS")) do
    local headers = { ["Content-Type"] = "application/json" }
    for name, value in line:gmatch("([^\t:]+): ([^\t]+)") do headers[name] = value end
    requests[#requests + 1] =
      wrk.format(os.getenv("BENCH_METHOD"), os.getenv("BENCH_PATH"), headers, body)
  end
end

request = function()
  sent = sent % #requests + 1
  return requests[sent]
end
