"""The network: listeners, HTTP, WebSocket, TLS, and one connection a client."""
