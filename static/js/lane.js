// The lane page: the chart is loaded only where there is one.
import "./chart.js";
