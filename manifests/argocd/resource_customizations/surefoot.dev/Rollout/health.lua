-- The health of a Rollout of surefoot.dev.
--
-- Healthy      it went to the end
-- Progressing  a clock, a gate or the operator moves it on
-- Suspended    only people move it on: they are asked to report or to sign, or somebody has paused it
-- Degraded     only people can put it right: invalid plan, rolled back, NO-GO, a flag that is fought over
--
-- Gates, triggers and admission come and go from one evaluation to the next. Whether people are waited
-- for does not depend on them, so that the health stays the same while they flap.

local MOST_REASONS = 4

local status = obj.status or {}

local function condition(kind)
  for _, each in ipairs(status.conditions or {}) do
    if each.type == kind then
      return each
    end
  end
  return {}
end

local function holds(kind)
  return condition(kind).status == "True"
end

-- What is missing, each with the command that helps where there is one.
local function reasons(wanted)
  local texts, more = {}, 0
  for _, each in ipairs(status.blockedBy or {}) do
    if wanted == nil or wanted[each.condition] then
      if #texts < MOST_REASONS then
        local text = each.message
        if each.command ~= nil and each.command ~= "" then
          text = text .. ". Run: " .. each.command
        end
        texts[#texts + 1] = text
      else
        more = more + 1
      end
    end
  end
  if more > 0 then
    texts[#texts + 1] = "and " .. more .. " more in status.blockedBy"
  end
  return table.concat(texts, "; ")
end

local function at_percent()
  if status.percent == nil then
    return "not started"
  end
  return "at " .. status.percent .. "%"
end

local function answer(state, detail)
  local message = status.phase .. " " .. at_percent()
  if detail ~= nil and detail ~= "" then
    message = message .. ": " .. detail
  end
  return {status = state, message = message}
end

if status.phase == nil or status.observedGeneration == nil then
  return {status = "Progressing", message = "Surefoot has not looked at this Rollout yet"}
end
if obj.metadata.generation ~= nil and status.observedGeneration < obj.metadata.generation then
  return {status = "Progressing", message = "Surefoot has not looked at the last change of this Rollout yet"}
end

local phase = status.phase

if phase == "Invalid" then
  return answer("Degraded", reasons({PlanValid = true}))
end
if phase == "RollingBack" then
  return answer("Degraded", status.waitingOn)
end
if phase == "RolledBack" then
  return answer("Degraded", reasons({NotRolledBack = true}))
end
if holds("Stalled") then
  return answer("Degraded", reasons())
end
if phase == "Completed" then
  return answer("Healthy")
end
if phase == "Paused" then
  return answer("Suspended", reasons({NotPaused = true}))
end

local earned = holds("SoakComplete") and holds("BaselineRecorded")
local signed = holds("CheckpointsPassed") and holds("Approved")
if status.percent ~= nil and earned and not signed then
  local detail = reasons({CheckpointsPassed = true, Approved = true})
  if detail == "" then
    detail = status.waitingOn
  end
  return answer("Suspended", detail)
end

return answer("Progressing", status.waitingOn)
