package warehouse

import "slices"

// FileFormat is fileFormat, for tests.
const FileFormat = fileFormat

// Copied is copied, for tests.
var Copied = copied

// EndedColumns has the columns that End writes.
var EndedColumns = append(slices.Clone(endedColumns), "ended_at")

// StatementTime is statementTime, for tests.
var StatementTime = statementTime
