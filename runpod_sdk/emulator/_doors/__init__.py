"""How requests come in and answers go out: HTTP into typed requests and back, in this process and on sockets."""
