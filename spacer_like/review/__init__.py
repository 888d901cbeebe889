"""Pages on which a person answers by keyboard: single files of HTML, without a server; and what they are made of."""
