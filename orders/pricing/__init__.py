"""What an order costs: pure functions over a basket and the rules that hold for it.

`sharing` divides amounts, `basket` says what is priced, `rules` what a shop demands and grants, `priced` what comes out, and
`price` computes it. Nothing here knows Django, a clock or a database, so each price can be computed again from its parts.
"""
