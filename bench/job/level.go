package job

import (
	"fmt"

	"github.com/firn-data/firn/internal/engine/parquetfile"
)

// levels maps the permitted zstd levels to the engine's levels. 0 means the engine's
// default.
var levels = map[int]parquetfile.Level{0: 0, 1: parquetfile.Fastest, 3: parquetfile.Default}

func levelOf(number int) (parquetfile.Level, error) {
	level, known := levels[number]
	if !known {
		return 0, fmt.Errorf("the engine has no zstd level %d", number)
	}
	return level, nil
}
