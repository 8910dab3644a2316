"""The reference storefront at `/`: plain HTML, CSS and ES modules without a build step, a client of the public API only.

Python serves one page, the shell, at each of its addresses (views.py, urls.py). Everything else is in
static/storefront/: main.js routes, pages/ shows, api.js calls. docs/storefront.md tells how it is built and copied.
`STOREFRONT=false` switches it off.
"""
