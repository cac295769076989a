"""How Surefoot is packaged: wheels, the image, the chart, and what a release consists of."""
