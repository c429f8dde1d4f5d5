"""The real refresh under a simulated clock, lock, network and disk; every run can be had again.

- `virtual_loop`, `doors`, `network`, `rotating_provider`   what the product meets instead of the world
- `machines`, `users`, `world`, `laws`                      who does what, and what has to hold after each step (S1-S6)
- `fate`, `script`, `ending`                                a run that a seed chooses, or a test writes down
- `schedules` (`dying`, `losing`, `meeting`), `mutations`   known ways to the damage; safeties taken out one by one

`python -m tests.simulation.run --seed 7` shows the run of one seed.
"""
