"""``surefoot demo``: the main job, played live on a real control plane by real parts."""
