-- What can be done to a Rollout from Argo CD. Deciding is not among it: Argo CD acts under its own
-- account, and nobody signs for another.

local status = obj.status or {}
local percent = status.percent or 0
local rolledBack = status.phase == "RolledBack" or status.phase == "RollingBack"
local paused = obj.spec.paused == true

local actions = {}
actions["pause"] = {
  ["disabled"] = paused or status.phase == "Completed",
  ["displayName"] = "Pause",
  ["iconClass"] = "fa fa-fw fa-pause"
}
actions["resume"] = {
  ["disabled"] = not paused,
  ["displayName"] = "Resume",
  ["iconClass"] = "fa fa-fw fa-play"
}
actions["rollback"] = {
  ["disabled"] = percent == 0,
  ["displayName"] = "Roll back",
  ["iconClass"] = "fa fa-fw fa-undo",
  ["params"] = {
    {["name"] = "to"},
    {["name"] = "reason"}
  }
}
actions["retry"] = {
  ["disabled"] = not rolledBack,
  ["displayName"] = "Retry",
  ["iconClass"] = "fa fa-fw fa-redo"
}
return actions
