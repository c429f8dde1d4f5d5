"""The outside world, small enough to run in a test: shipped, because connector authors need the same doubles.

Only what Holdfast does not own is doubled here: providers, networks, clocks, people. The vault itself is always
the real one.

- `clock.TestClock`      time that stands still until the test moves it
- `provider`             an OAuth 2.0 authorization server and a small CRM that can rotate, stall, lie and revoke;
                         `python -m holdfast.testing.provider` runs it alone
- `network.FakeNetwork`  host names answered by ASGI apps in this process, behind both verbs of the outbound door
- `browser.Browser`      a person with a browser: follows redirects, keeps cookies, fills in forms
- `connectors`           the manifest of the sandbox CRM

May import anything of Holdfast; nothing of Holdfast imports it (`holdfast demo` does, when it runs). To add a
provider's odd habit: a word in `provider.shape` if a manifest can express it, a `Behaviour` if it is a fault.
"""
