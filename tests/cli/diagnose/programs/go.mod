module conditions

go 1.22
