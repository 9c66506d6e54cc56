package stage

// Want has the stage look at chats, as rings do.
func (s *Stage[T, R]) Want(chats ...int64) {
	for _, c := range chats {
		s.want(c, nil)
	}
}
