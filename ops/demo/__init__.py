"""People who use the product over its public contract and nothing else, and then check what it says.

`client` is one person's app: tokens, keys and patience. `uploads` and `live` are its two long errands.
`story` is what everybody does, `ledger` what the product confirmed, `audit` asks whether it still says so,
and `report` is what the one who typed the command gets to see. It is the project's smoke test as well.
"""
