package journal

import "context"

// loadsKey is the key of the item with the number of committed loads, and the name of
// the item's attribute.
const loadsKey = "loads"

// CountLoad counts a committed load. The Airflow DAGs compare the count with the count
// at the last dbt build: an equal count means no new load, and the comparison needs no
// Snowflake warehouse. The count only grows. A request that the SDK repeats counts
// once, unless another load is counted between the two requests. So a higher count proves
// new loads but not the number of loads.
func (t *Table) CountLoad(ctx context.Context) error {
	_, err := t.writeOnce(ctx, loadsKey, newChange("").count(loadsKey).set("at", text(stamp(t.Now()))))
	return err
}
