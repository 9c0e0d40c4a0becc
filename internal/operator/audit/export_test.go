package audit

import "github.com/firn-data/firn/internal/journal"

// SpilledEntry returns the entry as the temporary files have it.
func SpilledEntry(e journal.Entry) journal.Entry { return *entryRecord(e).Entry }
