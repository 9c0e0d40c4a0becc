// Package engines compares the transform's two engines: the Lambda engine
// (internal/transform) and the Glue engine (glue/transform.py). Both engines must give
// the same result for every object. The package has only tests. The tests need
// build/venv/glue and Java 17.
package engines
