module frail

go 1.26
