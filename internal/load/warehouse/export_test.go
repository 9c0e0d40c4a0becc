package warehouse

// FileFormat is fileFormat, for tests.
const FileFormat = fileFormat

// Copied is copied, Literal is literal, for tests.
var (
	Copied  = copied
	Literal = literal
)
