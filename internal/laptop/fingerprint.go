package laptop

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// fingerprintOf hashes names and contents of files and folders below root. Tests and
// compiled Python files don't count, because no deployment has them.
func fingerprintOf(root string, paths ...string) (string, error) {
	return fingerprintIf(isDeployed, root, paths...)
}

// fingerprintIf hashes names and contents of the chosen files below root.
func fingerprintIf(chosen func(fs.DirEntry) bool, root string, paths ...string) (string, error) {
	sum := sha256.New()
	for _, path := range paths {
		err := filepath.WalkDir(filepath.Join(root, path), func(file string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && entry.Name() == "__pycache__":
				return fs.SkipDir
			case entry.IsDir(), !chosen(entry):
				return nil
			}
			return hashFile(sum, relative(root, file), file)
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func isDeployed(entry fs.DirEntry) bool { return !strings.HasSuffix(entry.Name(), "_test.go") }

func hashFile(sum io.Writer, name, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	fmt.Fprintf(sum, "%s\x00%d\x00", name, info.Size())
	_, err = io.Copy(sum, file)
	return err
}
