package warehouse

// FileFormat is fileFormat, for tests.
const FileFormat = fileFormat

// Copied is copied, Literal is literal, for tests.
var (
	Copied  = copied
	Literal = literal
)

// StatementTime is the package's own, for tests.
var StatementTime = statementTime
