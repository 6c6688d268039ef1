package mapping

// CachedZones returns the number of cached time zones.
func CachedZones() int { return zones.Len() }
