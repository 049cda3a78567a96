"""The paid opinion: prompt, request, client, reply, store and the night's loop."""
