package contract

// The keys of a data contract, from the Open Data Contract Standard v3.1.0:
// https://bitol-io.github.io/open-data-contract-standard/v3.1.0/. firn uses few of
// these keys. A contract may have the other keys for other tools.

var standard = newStandard()

func newStandard() *shape {
	return mapping(map[kind]string{
		text: "apiVersion kind id name version status tenant domain dataProduct slaDefaultElement contractCreatedTs",
	}, map[string]*shape{
		"description": mapping(map[kind]string{text: "purpose usage limitations"}, commonKeys()).require("purpose"),
		"servers":     listOf(newServer()),
		"schema":      listOf(newTable()),
		"price":       mapping(map[kind]string{text: "id priceCurrency priceUnit", number: "priceAmount"}, nil),
		"team":        newTeam(),
		"roles":       listOf(newRole()),
		"support": listOf(mapping(map[kind]string{
			text: "id channel url description tool scope invitationUrl",
		}, custom()).require("channel")),
		"slaProperties": listOf(mapping(map[kind]string{
			text: "id property unit element driver description scheduler schedule", anything: "value valueExt",
		}, nil).require("property", "value")),
		"tags":                     listOf(scalar(text)),
		"authoritativeDefinitions": newDefinitions(),
		"customProperties":         newCustomProperties(),
	}).require("apiVersion", "kind", "id", "name", "version", "status", "description", "schema")
}

func newServer() *shape {
	return mapping(map[kind]string{
		text: "id server type description environment account catalog database dataset delimiter endpointUrl format host " +
			"location path project region regionName schema serviceName stagingDir stream warehouse",
		anything: "port",
	}, map[string]*shape{
		"roles":            listOf(newRole()),
		"customProperties": newCustomProperties(),
	}).require("server", "type")
}

func newRole() *shape {
	return mapping(map[kind]string{
		text: "id role description access firstLevelApprovers secondLevelApprovers",
	}, custom()).require("role")
}

// newTeam also allows the list of members of v3.0.
func newTeam() *shape {
	members := listOf(mapping(map[kind]string{
		text: "id username name description role dateIn dateOut replacedByUsername",
	}, commonKeys()).require("username"))
	team := mapping(map[kind]string{text: "id name description"}, commonKeys())
	team.keys["members"] = members
	return oneOf(team, members)
}

func newTable() *shape {
	keys := commonKeys()
	keys["quality"] = newQuality()
	keys["relationships"] = newRelationships()
	keys["properties"] = listOf(newProperty())
	return mapping(map[kind]string{
		text: "id name physicalName physicalType logicalType description businessName dataGranularityDescription",
	}, keys).require("name", "properties")
}

// newProperty is recursive: the properties of an object and the items of an array are
// properties too.
func newProperty() *shape {
	keys := commonKeys()
	keys["examples"] = listOf(scalar(anything))
	keys["transformSourceObjects"] = listOf(scalar(text))
	keys["logicalTypeOptions"] = typeOptions
	keys["quality"] = newQuality()
	keys["relationships"] = newRelationships()
	property := mapping(map[kind]string{
		text: "id name physicalName physicalType logicalType description businessName classification encryptedName " +
			"transformLogic transformDescription",
		flag:  "required unique primaryKey partitioned criticalDataElement",
		whole: "primaryKeyPosition partitionKeyPosition",
	}, keys)
	property.keys["properties"] = listOf(property)
	property.keys["items"] = property
	return property
}

var typeOptions = newTypeOptions()

func newTypeOptions() *shape {
	return mapping(map[kind]string{
		text:     "format pattern defaultTimezone",
		flag:     "timezone uniqueItems",
		whole:    "minLength maxLength minItems maxItems minProperties maxProperties",
		number:   "multipleOf",
		anything: "minimum maximum exclusiveMinimum exclusiveMaximum",
	}, map[string]*shape{"required": listOf(scalar(text))})
}

func newQuality() *shape {
	keys := commonKeys()
	keys["mustBeBetween"] = listOf(scalar(number))
	keys["mustNotBeBetween"] = listOf(scalar(number))
	keys["arguments"] = &shape{kind: object}
	return listOf(mapping(map[kind]string{
		text: "id name description type metric rule query engine dimension method severity businessImpact unit " +
			"schedule scheduler",
		number:   "mustBeGreaterThan mustBeGreaterOrEqualTo mustBeLessThan mustBeLessOrEqualTo",
		anything: "mustBe mustNotBe implementation",
	}, keys))
}

func newRelationships() *shape {
	names := oneOf(scalar(text), listOf(scalar(text)))
	return listOf(mapping(map[kind]string{text: "id type"}, map[string]*shape{
		"from": names, "to": names, "customProperties": newCustomProperties(),
	}))
}

func newDefinitions() *shape {
	return listOf(mapping(map[kind]string{text: "id type url description"}, nil).require("type", "url"))
}

func newCustomProperties() *shape {
	return listOf(mapping(map[kind]string{
		text: "id property description", anything: "value",
	}, nil).require("property", "value"))
}

func custom() map[string]*shape {
	return map[string]*shape{"customProperties": newCustomProperties()}
}

// commonKeys are the keys of most parts of a contract.
func commonKeys() map[string]*shape {
	return map[string]*shape{
		"tags":                     listOf(scalar(text)),
		"authoritativeDefinitions": newDefinitions(),
		"customProperties":         newCustomProperties(),
	}
}
