"""Pages for people: what a browser is shown where a program would be answered JSON, or where somebody has to agree.

- `visitor`    whether a request comes from a person's browser, and from which page
- `outcome`    what a step of the browser came to, in a value that only we can make
- `sentences`  all that these pages say; nothing that a request brought is ever said
- `sheet`      a page as a response: template, stylesheet, headers
- `forms`      the one-time tokens of the forms
- `landing`    our own page after an authorization, and the stylesheet
- `refusals`   which page an error is

The pages work without script and load nothing from other hosts. What more is shown to people extends
`templates/page.html` and the tokens at the top of `static/holdfast.css`.
"""
