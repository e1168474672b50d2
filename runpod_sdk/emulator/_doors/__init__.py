"""The emulator's entrances: HTTP to typed requests and back, in process and on sockets."""
