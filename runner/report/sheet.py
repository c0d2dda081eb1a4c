"""The sheet that a report is written on: one file that needs nothing else, on a screen and on paper."""

from runner.pictures.page import BLUE, INK, RED
from runner.report.markup import escaped

STYLE = f"""
:root {{ --ink: {INK}; --soft: #666; --hair: #dcdcdc; --accent: {BLUE}; --against: {RED}; }}
* {{ box-sizing: border-box; }}
html {{ -webkit-text-size-adjust: 100%; }}
body {{ margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 72rem; background: #fff; color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }}
header {{ border-top: 4px solid var(--accent); padding-top: 1.25rem; }}
.kicker {{ margin: 0; color: var(--soft); font-size: .875rem; overflow-wrap: anywhere; }}
h1 {{ margin: .2rem 0 .8rem; font-size: clamp(1.5rem, 1.1rem + 1.8vw, 2.1rem); line-height: 1.2; font-weight: 650;
  letter-spacing: -.012em; text-wrap: balance; overflow-wrap: anywhere; }}
.answer {{ margin: 0 0 1rem; max-width: 46rem; font-size: 1.2rem; line-height: 1.45; overflow-wrap: anywhere; }}
.going {{ margin: 0 0 1rem; padding: .4rem .8rem; border-left: 3px solid var(--against); }}
section {{ margin-top: 2.75rem; }}
h2 {{ margin: 0 0 1rem; padding-top: .6rem; border-top: 1px solid var(--hair); font-size: 1.15rem;
  font-weight: 650; }}
h3 {{ margin: 1.75rem 0 .6rem; font-size: 1rem; font-weight: 600; overflow-wrap: anywhere; }}
p {{ margin: .5rem 0; max-width: 46rem; }}
.note, figcaption {{ color: var(--soft); font-size: .84rem; line-height: 1.45; max-width: 46rem; }}
dl {{ margin: .5rem 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr));
  gap: .7rem 2rem; }}
dt {{ color: var(--soft); font-size: .8rem; }}
dd {{ margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }}
.table {{ overflow-x: auto; margin: .75rem 0; }}
.tall {{ max-height: 36rem; overflow-y: auto; }}
.tall th {{ position: sticky; top: 0; background: #fff; }}
table {{ border-collapse: separate; border-spacing: 0;
  font-size: .9rem; line-height: 1.35; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .42rem 1rem .42rem 0; text-align: left; vertical-align: top; }}
th {{ color: var(--soft); font-weight: 500; font-size: .8rem; vertical-align: bottom;
  border-bottom: 1px solid var(--ink); }}
td {{ border-bottom: 1px solid var(--hair); }}
td:first-child {{ font-weight: 550; }}
.table :is(th, td):first-child {{ position: sticky; left: 0; background: #fff; min-width: 8rem; }}
td.long {{ min-width: 8.5rem; }}
th.number, td.number {{ text-align: right; white-space: nowrap; }}
td.better {{ color: var(--accent); font-weight: 600; }}
td.worse {{ color: var(--against); font-weight: 600; }}
figure {{ margin: .5rem 0 1rem; min-width: 0; }}
svg {{ display: block; width: 100%; height: auto; font-family: inherit; }}
figcaption {{ margin-top: .35rem; }}
.two {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); gap: .5rem 2.5rem; }}
.small {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr));
  gap: .5rem 1.75rem; }}
.curves {{ display: grid; grid-template-columns: minmax(0, 580px) minmax(12rem, 24rem); gap: .5rem 2rem;
  align-items: start; }}
ul.legend {{ list-style: none; width: fit-content; max-width: 100%;
  margin: .8rem 0; padding: 0; font-size: .86rem; line-height: 1.35; }}
ul.legend li {{ display: grid; grid-template-columns: 26px 1fr auto; gap: .6rem; align-items: start;
  margin-bottom: .4rem;  overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }}
ul.legend svg {{ width: 26px; margin-top: .28rem; }}
details {{ margin: .6rem 0; }}
summary {{ cursor: pointer; color: var(--accent); }}
code {{ font: .92em ui-monospace, Menlo, Consolas, monospace; }}
pre {{ margin: .5rem 0; padding: .7rem .9rem; background: #f6f6f6; font-size: .78rem; line-height: 1.5;
  white-space: pre-wrap; overflow-wrap: anywhere; font-family: ui-monospace, Menlo, Consolas, monospace; }}
@media (max-width: 44rem) {{
  body {{ padding: 1.25rem 1rem 3rem; }}
  .curves {{ grid-template-columns: minmax(0, 1fr); }}
  .answer {{ font-size: 1.08rem; }}
}}
@media print {{
  @page {{ margin: 16mm 14mm; }}
  body {{ max-width: none; padding: 0; font-size: 10pt; }}
  section {{ margin-top: 1.6rem; }}
  h2, h3 {{ break-after: avoid; }}
  figure, tr, dl, li {{ break-inside: avoid; }}
  .tall {{ max-height: none; }}
  .table {{ overflow: visible; }}
  .table :is(th, td):first-child {{ min-width: 0; }}
  td.long {{ min-width: 0; }}
  table {{ font-size: 8pt; }}
  th, td {{ padding-right: .6rem; }}
  thead {{ display: table-header-group; }}
  .two {{ grid-template-columns: 1fr 1fr; gap: .5rem 1.2rem; }}
  .small {{ grid-template-columns: repeat(3, 1fr); gap: .5rem 1rem; }}
  .curves {{ grid-template-columns: minmax(0, 1fr); }}
  ul.legend {{ width: auto; columns: 2; column-gap: 2rem; }}
  pre {{ background: none; padding: 0; border: 0; }}
}}
"""


def sheet(title: str, *parts: str) -> str:
    """A whole page."""
    inner = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escaped(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{inner}\n</body>\n</html>\n"
    )
