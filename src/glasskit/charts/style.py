"""The report's one style sheet: readable on a screen and on paper."""

SHEET = """
:root { color-scheme: light; --ink: #1f2933; --faint: #52606d; --line: #e4e7eb; --paper: #fff; --back: #f5f7fa; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 2rem 1rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 0 0 .25rem; }
.subtitle, section > p { color: var(--faint); margin: 0 0 1rem; max-width: 75ch; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 10px;
  padding: 1.25rem 1.5rem; margin: 1.25rem 0; }
.decision { border-left: 8px solid #52606d; }
.decision.higher { border-left-color: #ff5733; }
.decision.lower { border-left-color: #69ae35; }
.decision > p { color: var(--ink); max-width: none; margin: 0; }
.decision > p.number { margin-bottom: .5rem; }
.number strong { font-size: 2.25rem; line-height: 1.1; margin-right: .5rem; white-space: nowrap; }
.number span { color: var(--faint); }
.facts { display: flex; flex-wrap: wrap; gap: .75rem 2.5rem; margin: 1.25rem .25rem; }
.facts dt { color: var(--faint); font-size: .8rem; }
.facts dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
figure { margin: 0; overflow-x: auto; }
figure + figure { margin-top: 1.5rem; }
svg { display: block; max-width: 100%; min-width: 640px; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .45rem .75rem .45rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { color: var(--faint); font-weight: 600; }
tbody th { font-weight: 500; }
tbody td { white-space: nowrap; }
code { display: block; color: var(--faint); font-size: .78rem; overflow-wrap: anywhere; }
small { display: block; color: var(--faint); font-weight: 400; max-width: 60ch; }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; padding-right: 1.5rem; }
td.raises { color: #b3280a; }
td.lowers { color: #3d7314; }
footer { max-width: 1060px; margin: 0 auto; padding: 0 1.25rem 2rem; color: var(--faint); font-size: .85rem; }
@media print {
  body { background: #fff; font-size: 11pt; }
  section { break-inside: avoid; border: 0; padding: 0; }
  section:has(table) { break-inside: auto; }
  main { padding: 0; }
}
"""
