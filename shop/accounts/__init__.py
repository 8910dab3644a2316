"""Accounts of shoppers and staff: who signs in and how, whose an address is, what staff may do to each other, and the trail of it.

The API's side of signing in is shop/rest/sign_in.py, the pages are shop/admin/people.py, and what is kept of a person, its
export and its erasure are shop/personal.
"""
