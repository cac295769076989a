-- Stops everything but rollback.
obj.spec.paused = true
return obj
