"""Style sheets of pages, in light and dark mode."""

from ._palette import COLORS

BLUE, ORANGE, SKY = COLORS[0], COLORS[1], COLORS[5]

PAGE_STYLE = f"""
:root {{ color-scheme: light dark; }}
body {{ margin: 0; line-height: 1.55; font-family: system-ui, sans-serif; color: light-dark(#1c1c1e, #ececf0);
       background: light-dark(#ffffff, #17181b); overflow-wrap: break-word; }}
body .ske {{ --accent: light-dark({BLUE}, {SKY}); --second: light-dark({ORANGE}, #ff9a57); }}
body > * {{ max-width: 48rem; margin: 0 auto; padding: 0 1rem; }}
h1 {{ font-size: 1.75rem; line-height: 1.2; margin: 2.5rem 0 .5rem; letter-spacing: -.01em; }}
h2 {{ font-size: 1.25rem; margin: 2.5rem 0 .75rem; padding-top: 1.25rem; border-top: 1px solid #8884; }}
h3 {{ font-size: 1rem; margin: 1.75rem 0 .5rem; }}
a {{ color: light-dark(#00588c, #7cc4f0); text-underline-offset: .2em; }}
:focus-visible {{ outline: 2px solid light-dark({BLUE}, {SKY}); outline-offset: 2px; }}
nav ol {{ columns: 2; gap: 1.5rem; margin: 0; padding: 0; list-style: none; }}
nav h2 {{ font-size: .85rem; margin: 1.5rem 0 .35rem; padding: 0; border: 0; }}
nav li {{ padding: .2rem 0; break-inside: avoid; }}
main {{ padding-bottom: 5rem; }}
@media (min-width: 70rem) {{
  body {{ display: grid; grid-template-columns: 12rem minmax(0, 48rem); column-gap: 3.5rem; justify-content: center; }}
  body > * {{ margin: 0; }}
  header, main {{ grid-column: 2; }}
  nav {{ grid-area: 1 / 1 / span 2; position: sticky; top: 1.5rem; align-self: start; font-size: .92rem; }}
  nav h2 {{ margin-top: 2.9rem; }}
  nav ol {{ columns: 1; }}
}}
@media print {{ nav {{ display: none; }} figure, tr, dt {{ break-inside: avoid; }} }}
"""

FRAGMENT_STYLE = f"""
.ske {{ --accent: {BLUE}; --second: {ORANGE}; }}
.ske figure {{ margin: 0 0 1.5rem; }}
.ske figcaption, .ske .note {{ font-size: .9em; opacity: .8; margin-top: .6rem; max-width: 44rem; }}
.ske .wide {{ overflow-x: auto; padding: 2px; }}
.ske table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92em; }}
.ske .full table {{ width: 100%; }}
.ske th, .ske td {{ padding: .3rem .55rem; text-align: right; border-bottom: 1px solid #8884; background: none;
                  vertical-align: middle; }}
.ske td {{ white-space: nowrap; }}
.ske thead th {{ font-weight: 500; vertical-align: bottom; line-height: 1.25; }}
.ske th:first-child {{ text-align: left; padding-left: 0; }}
.ske tbody th {{ font-weight: 400; overflow-wrap: break-word; min-width: 5rem; max-width: 16rem; }}
.ske tr.best > * {{ font-weight: 650; }}
.ske tr.reference > * {{ font-style: italic; opacity: .8; }}
.ske .text thead th {{ text-align: left; }}
.ske .text td {{ text-align: left; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .95em;
                font-family: ui-monospace, monospace; }}
.ske .text tbody th {{ vertical-align: top; }}
.ske .wide:has(.strip) table {{ width: 100%; }}
.ske td:has(> .strip), .ske th:has(> .strip) {{ width: 42%; min-width: 7.5rem; padding: 0 .9rem; }}
.ske .strip {{ display: block; width: 100%; overflow: visible; }}
.ske svg {{ overflow: visible; }}
.ske svg text {{ fill: currentColor; font-family: system-ui, sans-serif; font-size: 11px; }}
.ske .grid {{ stroke: #8885; stroke-width: 1; fill: none; }}
.ske .chance {{ stroke: currentColor; stroke-width: 1.2; stroke-dasharray: 4 4; opacity: .65; fill: none; }}
.ske .bar {{ fill: var(--accent); fill-opacity: .45; stroke: var(--accent); }}
.ske .bar.second {{ fill: none; stroke: currentColor; stroke-opacity: .8; }}
.ske .dot {{ fill: var(--accent); }}
.ske .dot.second {{ fill: var(--second); }}
.ske .faint {{ fill-opacity: .5; }}
.ske .whisker {{ stroke: currentColor; stroke-width: 1.5; fill: none; }}
.ske .mean {{ stroke: var(--accent); stroke-width: 3.5; stroke-linecap: round; }}
.ske .line {{ stroke: var(--accent); stroke-width: 1.8; fill: none; stroke-linejoin: round; }}
.ske .line.second {{ stroke: var(--second); stroke-dasharray: 6 3; }}
.ske .gap {{ stroke: var(--second); stroke-width: 2.5; fill: none; }}
.ske .panels {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(var(--least), 100%), 1fr));
              gap: 1.1rem 1.25rem; }}
.ske .panels p {{ margin: 0 0 .2rem; font-size: .9em; line-height: 1.3; overflow-wrap: anywhere; }}
.ske .panels svg, .ske .drawing {{ display: block; width: 100%; height: auto; }}
.ske .drawing {{ max-width: 30rem; }}
.ske .confusion td {{ text-align: center; line-height: 1.2; padding: .3rem .2rem; min-width: 1.95rem;
                    background: color-mix(in srgb, var(--accent) calc(var(--share) * 45%), transparent);
                    border: 1px solid #8883; }}
.ske .confusion td b {{ font-weight: 600; }}
.ske .confusion td span {{ display: block; font-size: .85em; }}
.ske .confusion thead th + th {{ text-align: center; padding: .3rem .2rem; }}
.ske .confusion.many thead th + th {{ writing-mode: vertical-rl; rotate: 180deg; text-align: left;
                                    vertical-align: top; max-height: 9rem; }}
.ske .confusion tbody th {{ min-width: 4.4rem; }}
.ske .gallery {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(6.2rem, 1fr)); gap: 1rem .75rem;
               margin: 0; padding: 0; list-style: none; }}
.ske .gallery li {{ font-size: .8em; line-height: 1.35; margin: 0; overflow-wrap: anywhere; }}
.ske .gallery img {{ display: block; width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: 4px;
                   margin-bottom: .3rem; background: #8882; }}
.ske .gallery span {{ display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden;
                    opacity: .8; overflow-wrap: anywhere; }}
.ske pre {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 0 1rem; font-size: .9em; }}
.ske .failed {{ border-left: 4px solid var(--second); padding-left: .7rem; }}
.ske details {{ margin-top: .8rem; font-size: .92em; }}
.ske summary {{ cursor: pointer; padding: .2rem 0; }}
@media (max-width: 40rem) {{
  .ske table {{ font-size: .86em; }}
  .ske th, .ske td {{ padding: .3rem; }}
  .ske td:has(> .strip), .ske th:has(> .strip) {{ min-width: 6rem; padding: 0 .6rem; }}
  .ske .confusion tbody th {{ font-size: .9em; padding-right: .2rem; }}
}}
"""
