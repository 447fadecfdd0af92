"use strict";
// Draws the charts of report.html from the report embedded in the page.
Report.draw_charts(JSON.parse(document.getElementById("report").textContent), document.getElementById("charts"));
