"""The two clients, with their endpoints, jobs, streams and bulk runs, and the shells that drive flows for them."""
