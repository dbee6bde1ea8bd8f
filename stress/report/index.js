module.exports={reportOf:()=>''}
