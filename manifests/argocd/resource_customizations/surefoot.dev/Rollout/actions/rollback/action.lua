-- Lowers the flag at once and keeps it there: to the percentage asked for, or to the step before.
local status = obj.status or {}
local percent = status.percent or 0
local params = actionParams or {}

local function refuse(why)
  error(why, 0)
end

local allowed = {[0] = true}
local listed = "0"
local previous = 0
for _, step in ipairs(obj.spec.steps) do
  if step.percent > 0 and step.percent < percent then
    allowed[step.percent] = true
    listed = listed .. ", " .. step.percent
    previous = step.percent
  end
end
if percent == 0 then
  refuse("the flag is at 0% already")
end

local to = previous
if params["to"] ~= nil and params["to"] ~= "" then
  to = tonumber(params["to"])
  if to == nil or not allowed[to] then
    refuse("from " .. percent .. "% the flag can go down to " .. listed .. ", not to " .. params["to"])
  end
end

local ceiling = obj.spec.rollback
if ceiling ~= nil and ceiling.to < to then
  refuse("spec.rollback keeps the flag at or below " .. ceiling.to .. "% already")
end

local reason = params["reason"]
if reason == nil or reason == "" then
  reason = "asked for in Argo CD"
end
obj.spec.rollback = {to = to, reason = reason}
return obj
