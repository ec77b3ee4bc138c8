"""The domain, alive: one actor per user and per video, the runtime that carries them, and the ports they need."""
