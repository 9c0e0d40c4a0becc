// Package engines holds the transform's two engines against each other: the one
// on Lambda (internal/transform) and the one on Glue (glue/transform.py) must
// make the same of every object. It is tests only, and needs build/venv/glue
// and Java 17.
package engines
