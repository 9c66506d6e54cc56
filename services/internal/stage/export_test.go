package stage

// Want requests claims for chats, as rings do.
func (s *Stage[T, R]) Want(chats ...int64) {
	for _, c := range chats {
		s.want(c, nil)
	}
}
