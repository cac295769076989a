-- The health of an Approval of surefoot.dev.
--
-- Suspended  somebody is asked and has not answered
-- Degraded   somebody has said NO-GO, which holds until they decide again or a meeting resolves it
-- Healthy    it says GO, was used, or is superseded: then nothing waits for it

local function names(list)
  return table.concat(list or {}, ", ")
end

local function asked(request)
  local who = names(request.users)
  local groups = names(request.groups)
  if groups ~= "" then
    if who ~= "" then
      who = who .. " or "
    end
    who = who .. "the group " .. groups
  end
  return who
end

local status = obj.status or {}
local spec = obj.spec or {}
local request = spec.request or {}
local signer = (spec.decidedBy or {}).username or "nobody who is named"

if status.state == nil then
  return {status = "Progressing", message = "Surefoot has not looked at this Approval yet"}
end
if status.state == "Used" then
  return {status = "Healthy", message = "The GO by " .. signer .. " was used for a step"}
end
if status.state == "Void" or status.state == "Expired" then
  local why = status.voidReason or "it is older than the plan allows"
  return {status = "Healthy", message = status.state .. ", and nothing waits for it: " .. why}
end
-- Surefoot writes the first status once something was decided.
local seen = status.observedGeneration
if seen == nil or seen < 1 then
  seen = 1
end
if obj.metadata.generation ~= nil and seen < obj.metadata.generation then
  return {status = "Progressing", message = "Surefoot has not looked at the last decision yet"}
end
if status.state == "Go" then
  return {status = "Healthy", message = "GO by " .. signer .. ": " .. (spec.reason or "")}
end
if status.state == "NoGo" then
  return {status = "Degraded", message = "NO-GO by " .. signer .. ": " .. (spec.reason or "")
    .. ". It holds until its signer decides again or a meeting resolves it"}
end
return {status = "Suspended", message = (request.role or "a role") .. " must be signed by " .. asked(request)}
