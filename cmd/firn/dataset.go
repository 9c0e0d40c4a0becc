package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// datasetFlag is the flag with the name of a dataset.
const datasetFlag = "dataset"

// withoutContract is the name of the keys without a contract in the flag --dataset.
const withoutContract = "-"

// errEmptyDataset is the error of an empty --dataset. An unset variable of a shell gives
// an empty value. The command would take the keys without a contract, or all datasets.
var errEmptyDataset = errors.New("--dataset is empty: name a dataset, or leave out the flag")

// datasetOf returns the value of --dataset, and whether the flag was given. An empty value
// is an error.
func datasetOf(cmd *cobra.Command) (dataset string, given bool, err error) {
	flag := cmd.Flags().Lookup(datasetFlag)
	if dataset = flag.Value.String(); flag.Changed && dataset == "" {
		err = errEmptyDataset
	}
	return dataset, flag.Changed, err
}

// operatorName returns the name of a dataset for the operator: the empty name means the
// keys without a contract.
func operatorName(dataset string) string {
	if dataset == withoutContract {
		return ""
	}
	return dataset
}
