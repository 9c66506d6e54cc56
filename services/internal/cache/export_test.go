package cache

// Place is where Redis has a value.
func Place(kind string, version int, id int64) string { return place(kind, version, id) }
