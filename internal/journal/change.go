package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
)

// change is one conditional write of an item. An empty to leaves the state as before:
// the change is about another item than an object's, or needs no new state. All
// attributes have placeholders, because DynamoDB reserves hundreds of words, for
// example "state" and "key".
type change struct {
	to              State
	origins         []State
	values          map[string]types.AttributeValue
	names           map[string]bool
	sets            []string
	counts          []string
	deletes         []string
	removes         []string
	extraConditions []string
	// retry means that the change is no progress of the object: it begins or ends a try.
	retry bool
	// unsentCode is the code of the failure before a redrive; for the index of the
	// unsent messages.
	unsentCode string
}

func newChange(to State) *change {
	return &change{to: to, values: make(map[string]types.AttributeValue), names: make(map[string]bool)}
}

// from sets the states from which the change may start. In a change of an object's
// entry, no state means that the item must not exist yet.
func (c *change) from(origins ...State) *change {
	c.origins = origins
	return c
}

// set sets an attribute. An empty text removes the attribute, so that no value of an
// earlier write remains.
func (c *change) set(name string, value types.AttributeValue) *change {
	if s, ok := value.(*types.AttributeValueMemberS); ok && s.Value == "" {
		return c.clear(name)
	}
	c.names[name] = true
	c.values[":"+name] = value
	c.sets = append(c.sets, fmt.Sprintf("#%s = :%s", name, name))
	return c
}

// count adds one to an attribute.
func (c *change) count(name string) *change {
	c.names[name] = true
	c.values[":one"] = number(1)
	c.counts = append(c.counts, "#"+name+" :one")
	return c
}

// subtract subtracts one from an attribute.
func (c *change) subtract(name string) *change {
	c.names[name] = true
	c.values[":minus_one"] = number(-1)
	c.counts = append(c.counts, "#"+name+" :minus_one")
	return c
}

// add adds a number to a number, or texts to a set of texts.
func (c *change) add(name string, value types.AttributeValue) *change {
	c.names[name] = true
	c.values[":"+name] = value
	c.counts = append(c.counts, "#"+name+" :"+name)
	return c
}

// remove removes texts from a set of texts. A text may be in members twice.
func (c *change) remove(name string, members []string) *change {
	c.names[name] = true
	c.values[":"+name] = textSet(members)
	c.deletes = append(c.deletes, fmt.Sprintf("#%s :%s", name, name))
	return c
}

// clear removes attributes.
func (c *change) clear(names ...string) *change {
	for _, name := range names {
		c.names[name] = true
		c.removes = append(c.removes, "#"+name)
	}
	return c
}

// asRetry makes the change keep the time of the object's last progress, and the last
// delay. Without asRetry, each change of the state is progress.
func (c *change) asRetry() *change {
	c.retry = true
	return c
}

// where adds a condition. names are the attributes in the condition that the change
// doesn't name otherwise.
func (c *change) where(condition string, names ...string) *change {
	c.extraConditions = append(c.extraConditions, condition)
	for _, name := range names {
		c.names[name] = true
	}
	return c
}

// ofGeneration refuses the change if the entry has a later generation, because a reload
// replaced the work of this generation. A later generation than the entry's becomes the
// entry's generation: a new entry after a loss has generation 0.
func (c *change) ofGeneration(generation int) *change {
	return c.set("generation", number(int64(generation))).
		where("attribute_not_exists(#generation) OR #generation <= :generation")
}

// bind sets the value of a placeholder in a condition.
func (c *change) bind(placeholder string, value types.AttributeValue) *change {
	c.values[placeholder] = value
	return c
}

// create writes a new entry and returns the entry. An existing entry is returned
// unchanged.
func (t *Table) create(ctx context.Context, o object.Object, c *change) (Entry, error) {
	c.set("bucket", text(o.Bucket)).set("key", text(o.Key)).set("version", text(o.Version)).
		set("etag", text(o.ETag)).set("size", number(o.Size)).set("sequencer", text(o.Sequencer))
	dataset := ""
	if d, ok := c.values[":dataset"].(*types.AttributeValueMemberS); ok {
		dataset = d.Value
	}
	entry, _, err := t.apply(ctx, o.ID(), dataset, c)
	return entry, err
}

// apply writes the change. The result is the entry after the change, and whether the
// change was made. dataset is for the attributes of an index by dataset; an empty
// dataset means the dataset of the entry.
func (t *Table) apply(ctx context.Context, id object.ID, dataset string, c *change) (Entry, bool, error) {
	if dataset == "" && len(c.origins) > 0 && c.to.byDataset() {
		entry, err := t.Get(ctx, id)
		if err != nil {
			return Entry{}, false, err
		}
		dataset = entry.Dataset
	}
	changeID := rand.Text()
	output, err := t.Client.UpdateItem(ctx, t.update(id, dataset, c.onlyOnce(changeID)))
	if err == nil {
		entry, err := decode(output.Attributes)
		return entry, true, err
	}
	var refused *types.ConditionalCheckFailedException
	if !errors.As(err, &refused) {
		return Entry{}, false, fault.AWS("write journal", fault.JournalAway, err)
	}
	attributes, err := t.get(ctx, string(id))
	if err != nil {
		return Entry{}, false, err
	}
	entry, err := decode(attributes)
	return entry, valueOf(attributes[attributeChangeID]) == changeID, err
}

// attributeChangeID is the attribute with the random id of the last change. notRepeated
// is the condition that the request isn't a repetition of the last change.
const (
	attributeChangeID = "change"
	notRepeated       = "attribute_not_exists(#" + attributeChangeID + ") OR #" + attributeChangeID + " <> :" + attributeChangeID
)

// onlyOnce gives the change an id, so that a request repeated by the AWS client makes
// the change once. The condition of the repeated request doesn't hold, and the id in
// the entry proves that the first request made the change.
func (c *change) onlyOnce(id string) *change {
	c.set(attributeChangeID, text(id))
	return c
}

func (t *Table) update(id object.ID, dataset string, c *change) *dynamodb.UpdateItemInput {
	if c.to != "" {
		now := t.Now().UTC()
		if !c.marksUnsent() {
			c.clear(attributeUnsent)
		}
		c.set("state", text(string(c.to)))
		c.set("at_"+string(c.to), text(stamp(now)))
		c.index(id, dataset, now)
		if !c.retry {
			c.set("progressed_at", text(stamp(now))).clear(attributesOfDelay...)
		}
	}
	return &dynamodb.UpdateItemInput{
		TableName:                 aws.String(t.Name),
		Key:                       key(string(id)),
		UpdateExpression:          aws.String(c.expression()),
		ConditionExpression:       aws.String(c.conditions()),
		ExpressionAttributeNames:  c.placeholders(),
		ExpressionAttributeValues: c.values,
		ReturnValues:              types.ReturnValueAllNew,
	}
}

// write changes an item that isn't an object's. The result is false if the condition
// doesn't hold.
func (t *Table) write(ctx context.Context, pk string, c *change) (bool, error) {
	_, written, err := t.writeItem(ctx, pk, c)
	return written, err
}

// writeOnce is write for a change that must not be made twice, like a count. A request
// that the AWS client repeats makes the change once. The exception is another writeOnce of
// the item between the two requests.
func (t *Table) writeOnce(ctx context.Context, pk string, c *change) (bool, error) {
	id := rand.Text()
	written, err := t.write(ctx, pk, c.onlyOnce(id).where(notRepeated))
	if written || err != nil {
		return written, err
	}
	i, err := t.find(ctx, pk)
	if err != nil {
		return false, err
	}
	return i.text(attributeChangeID) == id, i.err
}

// writeItem is write, and also returns the item after the change.
func (t *Table) writeItem(ctx context.Context, pk string, c *change) (map[string]types.AttributeValue, bool, error) {
	input := &dynamodb.UpdateItemInput{
		TableName:                 aws.String(t.Name),
		Key:                       key(pk),
		UpdateExpression:          aws.String(c.expression()),
		ExpressionAttributeNames:  c.placeholders(),
		ExpressionAttributeValues: c.values,
		ReturnValues:              types.ReturnValueAllNew,
	}
	if len(c.extraConditions) > 0 {
		input.ConditionExpression = aws.String(c.extraCondition())
	}
	output, err := t.Client.UpdateItem(ctx, input)
	var refused *types.ConditionalCheckFailedException
	switch {
	case errors.As(err, &refused):
		return nil, false, nil
	case err != nil:
		return nil, false, fault.AWS("write journal", fault.JournalAway, err)
	}
	return output.Attributes, true, nil
}

func (c *change) expression() string {
	var clauses []string
	for _, clause := range []struct {
		name  string
		parts []string
	}{
		{"SET", c.sets}, {"ADD", c.counts}, {"DELETE", c.deletes}, {"REMOVE", c.removes},
	} {
		if len(clause.parts) > 0 {
			clauses = append(clauses, clause.name+" "+strings.Join(clause.parts, ", "))
		}
	}
	return strings.Join(clauses, " ")
}

func (c *change) conditions() string {
	if len(c.origins) == 0 {
		c.names["pk"] = true
		return "attribute_not_exists(#pk)" // also refuses a repeated request, and apply then finds the id
	}
	c.names["state"] = true
	states := make([]string, len(c.origins))
	for i, origin := range c.origins {
		placeholder := fmt.Sprintf(":from%d", i)
		c.values[placeholder] = text(string(origin))
		states[i] = placeholder
	}
	c.where(notRepeated, attributeChangeID)
	return "#state IN (" + strings.Join(states, ", ") + ") AND " + c.extraCondition()
}

// extraCondition is the condition of the change without the state.
func (c *change) extraCondition() string {
	return "(" + strings.Join(c.extraConditions, ") AND (") + ")"
}

func (c *change) placeholders() map[string]string {
	names := make(map[string]string, len(c.names))
	for name := range c.names {
		names["#"+name] = name
	}
	return names
}
