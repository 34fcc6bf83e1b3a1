"""A session: one program's output to everybody, everybody's input to one program."""
