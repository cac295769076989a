-- The health of a Checkpoint of surefoot.dev.
--
-- Suspended  somebody is asked and has not reported, or has reported and nobody acknowledged it yet
-- Degraded   the report says NO-GO, which blocks the step
-- Healthy    it says GO, was used, or is superseded: then nothing waits for it

local function names(list)
  return table.concat(list or {}, ", ")
end

local function people(of)
  of = of or {}
  local who = names(of.users)
  local groups = names(of.groups)
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
local reporter = (spec.decidedBy or {}).username or "nobody who is named"

if status.state == nil then
  return {status = "Progressing", message = "Surefoot has not looked at this Checkpoint yet"}
end
if status.state == "Used" then
  return {status = "Healthy", message = "The report by " .. reporter .. " was used for a step"}
end
if status.state == "Void" or status.state == "Expired" then
  local why = status.voidReason or "it was superseded"
  return {status = "Healthy", message = status.state .. ", and nothing waits for it: " .. why}
end
-- Surefoot writes the first status once something was decided.
local seen = status.observedGeneration
if seen == nil or seen < 1 then
  seen = 1
end
if obj.metadata.generation ~= nil and seen < obj.metadata.generation then
  return {status = "Progressing", message = "Surefoot has not looked at the last report yet"}
end
if status.state == "NoGo" then
  return {status = "Degraded", message = "NO-GO by " .. reporter .. ": " .. (spec.summary or "")}
end
if status.state == "Go" then
  if (request.type == "Handoff" or request.type == "DecisionMeeting") and status.acknowledged ~= true then
    local whom = people(request.receiver)
    if whom == "" then
      whom = "everybody who had decided"
    end
    return {status = "Suspended", message = "GO by " .. reporter .. "; must be acknowledged by " .. whom}
  end
  return {status = "Healthy", message = "GO by " .. reporter .. ": " .. (spec.summary or "")}
end

local message = (request.name or "a checkpoint") .. " must be reported by " .. people(request.reporter)
if status.late == true then
  message = message .. ". It is late: it was due at " .. (request.dueAt or "an earlier time")
end
return {status = "Suspended", message = message}
