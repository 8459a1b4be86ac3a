//! Nothing that a client sends gives a 5xx, a panic or internal text.
