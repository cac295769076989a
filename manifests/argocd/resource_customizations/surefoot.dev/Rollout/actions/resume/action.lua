-- Ends a pause. The field goes away, so that Git, which does not carry it, and the cluster agree.
obj.spec.paused = nil
return obj
