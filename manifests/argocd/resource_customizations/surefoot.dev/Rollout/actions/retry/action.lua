-- Tries again after a rollback, from where the flag stands. A ceiling that somebody has set stays: to
-- raise it is a decision of its own, so this refuses and names the command.
local status = obj.status or {}
local ceiling = obj.spec.rollback
if ceiling ~= nil then
  error("spec.rollback keeps the flag at or below " .. ceiling.to .. "% (" .. (ceiling.reason or "no reason was given")
    .. "). To lift that and to try again, run: kubectl surefoot retry " .. obj.metadata.name
    .. " -n " .. obj.metadata.namespace .. " --lift-ceiling", 0)
end
obj.spec.attempt = (status.attempt or 0) + 1
return obj
